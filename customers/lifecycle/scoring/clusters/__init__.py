"""Groups of customers who are alike, found in their features, named by what stands out, and kept from run to run."""

from customers.lifecycle.scoring.clusters.cluster_model import Assigned, Cluster, ClusterModel, assign_clusters
from customers.lifecycle.scoring.clusters.clustering import REASONS, Clustered, NoClusters, find_clusters
from customers.lifecycle.scoring.clusters.model_selection import METHODS, Candidate
from customers.lifecycle.scoring.clusters.naming import HIGH, LOW, NUMBER, TYPICAL, Deviation, Name
from customers.lifecycle.scoring.clusters.scaling import DROPPED, Dropped, Scaling
from customers.lifecycle.scoring.clusters.serialization import load_clusters, packed, save_clusters, unpacked

__all__ = [
    "DROPPED",
    "HIGH",
    "LOW",
    "METHODS",
    "NUMBER",
    "REASONS",
    "TYPICAL",
    "Assigned",
    "Candidate",
    "Cluster",
    "ClusterModel",
    "Clustered",
    "Deviation",
    "Dropped",
    "Name",
    "NoClusters",
    "Scaling",
    "assign_clusters",
    "find_clusters",
    "load_clusters",
    "packed",
    "save_clusters",
    "unpacked",
]
