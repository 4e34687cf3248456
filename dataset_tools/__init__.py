"""Virtual wearers and data sets."""
