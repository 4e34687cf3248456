"""From a face to every program people use: encoders, one UDP shell, files, and the pump."""
