"""Risk bounds from counts: pure functions of errors, n, bits and delta. Nothing here looks at a model."""

from transferbound.bounds.binomial import holdout as holdout
from transferbound.bounds.binomial import log_binomial_cdf as log_binomial_cdf
from transferbound.bounds.binomial import occam_binomial as occam_binomial
from transferbound.bounds.occam import hoeffding as hoeffding
from transferbound.bounds.occam import occam_kl as occam_kl
from transferbound.bounds.pac_bayes import catoni as catoni
from transferbound.bounds.pac_bayes import mcallester as mcallester
from transferbound.bounds.pac_bayes import pac_bayes_kl as pac_bayes_kl
from transferbound.bounds.report import all_bounds as all_bounds
