"""The Equipoise server: control plane, SDK door, analysis worker and dashboard."""
