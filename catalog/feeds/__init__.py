"""Product feeds: CSV, TSV, JSON Lines and Google Merchant files, read row by row, so that their size is not limited by memory."""
