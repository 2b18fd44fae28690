"""The shop's name, currency, language, brand and e-mail sender: one row, whose empty fields take the values of the environment."""
