"""From a certificate to an ordinary checkpoint, which libraries load with no line of ours."""
