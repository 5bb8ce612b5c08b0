"""Reports: the model card, its figure, and the account of the bits."""

from transferbound.report.card import write_card
from transferbound.report.card_check import check_card
from transferbound.report.summary import summary

__all__ = ["check_card", "summary", "write_card"]
