"""The harness's own score: broken variants of functions, and whether the suite finds each of them."""
