"""Run many sources through one engine: each comes and goes as it likes."""
