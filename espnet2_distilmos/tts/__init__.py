"""MOS of decoded speech, in the forms of ESPnet's TTS recipes and of VERSA."""
