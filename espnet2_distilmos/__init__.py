"""DistilMOS for ESPnet: MOS prediction with layer-wise self-distillation."""

__version__ = "0.1.0"
