"""What Meta would post: the bodies, the postman who brings them, and a message's receipts."""
