"""Azure OpenAI: Chat Completions at Azure's addresses, and in Azure's words."""

from trunkline.inference.adapters.azure.adapter import AzureAdapter

__all__ = ["AzureAdapter"]
