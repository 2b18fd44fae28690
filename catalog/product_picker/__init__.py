"""The product picker: a form field for product IDs that searches by title, brand or ID and shows images and titles."""
