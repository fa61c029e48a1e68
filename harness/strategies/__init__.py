"""Strategies: who decides which worker acts next. One file each, all behind `protocol.Strategy`."""
