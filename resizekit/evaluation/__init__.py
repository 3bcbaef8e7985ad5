"""How good a codec is: metrics on 8-bit pictures, and tables of them."""
