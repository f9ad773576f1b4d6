"""What others add to the reward, or learn in the place of ours."""
