"""Messages: templates in MJML, their rendering for one recipient, product rows and coupons."""
