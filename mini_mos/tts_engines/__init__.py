"""Speech of the TTS engines that Debian ships, to try the scoring of TTS on."""
