"""What people say and press in the chat -> one service call -> one rendered reply."""
