"""The directory of the project. It is known before the settings are loaded."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
