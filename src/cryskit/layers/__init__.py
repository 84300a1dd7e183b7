"""Parts that two or more encoders or objectives use."""
