"""What a training run is: its settings, its folder, its episodes, its measures."""
