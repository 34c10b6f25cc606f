"""Settings of dedup: where its rules are and how often it looks at what may change under it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field

from services.runtime.settings import ServiceSettings

_DEPLOY: Final = Path(__file__).parents[2] / "deploy"
RULES: Final = _DEPLOY / "dedup.yaml"
LEVELS: Final = _DEPLOY / "service_levels.yaml"
KEYS: Final = _DEPLOY / "dedup_keys.yaml"


class DedupSettings(ServiceSettings):
    """What an operator can set."""

    http_port: int = Field(default=8003, ge=0, le=65535)
    batch_records: int = Field(default=3000, ge=1, le=10_000, description="Maximum records in one transaction")
    thresholds_file: Path = Field(default=RULES, description="Rules of merging: thresholds, holds; YAML")
    levels_file: Path = Field(default=LEVELS, description="Service levels by zone; YAML")
    trusted_lag_minutes: float | None = Field(
        default=None,
        ge=0,
        le=24 * 60,
        description="Overrides the rules' own, for simulated storms whose hours arrive within seconds",
    )
    keys_file: Path = Field(default=KEYS, description="API keys and their scopes; YAML")
    timer_seconds: float = Field(default=0.5, gt=0, le=60, description="How often timers are checked")
    cached_areas: int = Field(default=5000, ge=1, description="Areas kept in memory; others are loaded on demand")
