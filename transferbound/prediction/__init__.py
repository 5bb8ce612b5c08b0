"""From a certificate to answers: the certified predictor, decoded and asked."""
