"""Product feeds: CSV, TSV, JSON Lines and Google Merchant files, read row by row whatever their size."""
