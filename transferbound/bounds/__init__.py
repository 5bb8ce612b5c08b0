"""Risk bounds from counts: pure functions of errors, n, bits and delta. Nothing here looks at a model."""

from transferbound.bounds.betting import occam_betting as occam_betting
from transferbound.bounds.betting import occam_bounded as occam_bounded
from transferbound.bounds.betting import occam_empirical_bernstein as occam_empirical_bernstein
from transferbound.bounds.binomial import holdout as holdout
from transferbound.bounds.binomial import log_binomial_cdf as log_binomial_cdf
from transferbound.bounds.binomial import occam_binomial as occam_binomial
from transferbound.bounds.confidence import failure_probability as failure_probability
from transferbound.bounds.occam import hoeffding as hoeffding
from transferbound.bounds.occam import occam_kl as occam_kl
from transferbound.bounds.pac_bayes import catoni as catoni
from transferbound.bounds.pac_bayes import mcallester as mcallester
from transferbound.bounds.pac_bayes import pac_bayes_kl as pac_bayes_kl
from transferbound.bounds.planning import errors_at as errors_at
from transferbound.bounds.planning import holdout_break_even as holdout_break_even
from transferbound.bounds.planning import max_bits as max_bits
from transferbound.bounds.planning import max_bits_kl as max_bits_kl
from transferbound.bounds.planning import min_n as min_n
from transferbound.bounds.planning import min_n_kl as min_n_kl
from transferbound.bounds.report import all_bounds as all_bounds
from transferbound.bounds.smoothing import SmoothedBound as SmoothedBound
from transferbound.bounds.smoothing import Smoothing as Smoothing
from transferbound.bounds.smoothing import smoothed_likelihood as smoothed_likelihood
from transferbound.bounds.subsample import population_errors as population_errors
from transferbound.bounds.subsample import subsample_binomial as subsample_binomial
from transferbound.bounds.subsample import subsample_kl as subsample_kl
