"""What people open in a browser -> one service call -> one rendered page."""
