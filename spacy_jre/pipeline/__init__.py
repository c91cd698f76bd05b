"""The trainable component and its decoding."""
