"""`perennial.js`, the script of the shop's pages: its files, their URLs, and the back-office page that shows how to install it."""
