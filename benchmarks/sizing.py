"""x"""

from pathlib import Path

MEASURED = Path(__file__).resolve().parent / "scaling.json"
