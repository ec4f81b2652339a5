"""From records to what a report shows: words, rounding, order and tone."""
