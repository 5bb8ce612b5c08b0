"""Publishing a certificate on the Hub."""
