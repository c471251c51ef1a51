"""Azure OpenAI: OpenAI's formats at Azure's addresses, and in Azure's words."""

from trunkline.inference.adapters.azure.adapter import AzureAdapter
from trunkline.inference.adapters.azure.embeddings import AzureEmbedder

__all__ = ["AzureAdapter", "AzureEmbedder"]
