"""A small shop: whoever cancels a paid order gets the price back, once."""
