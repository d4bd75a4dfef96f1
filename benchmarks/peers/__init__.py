"""Other job engines as they ship, sending the same message through the same session."""
