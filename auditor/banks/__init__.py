"""Concept banks: find, read, check, import and balance them. Nothing here imports torch."""

from __future__ import annotations

from auditor.banks.bank import BankImage, Concept, ConceptBank, GroupContrast
from auditor.banks.places import BankSummary, list_banks
from auditor.banks.read.loading import load_bank

__all__ = ["BankImage", "BankSummary", "Concept", "ConceptBank", "GroupContrast", "list_banks", "load_bank"]
