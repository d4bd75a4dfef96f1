"""The rules of Meta, each its own small judge, and the book of who broke them."""
