"""One list of cases for all drivers, and what runs them."""
