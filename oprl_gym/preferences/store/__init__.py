"""What people answered: kept in SQLite, exchanged as JSON Lines and CSV."""

from oprl_gym.preferences.store.database import PreferenceStore

__all__ = ["PreferenceStore"]
