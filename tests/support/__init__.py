"""What tests share: envs and agents made up for them, scripted people, servers."""
