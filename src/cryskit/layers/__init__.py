"""Layers of networks that two or more encoders or objectives use."""
