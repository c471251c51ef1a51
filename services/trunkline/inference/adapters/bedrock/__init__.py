"""AWS Bedrock: Converse, and embeddings by InvokeModel.

`request` builds, `decoder` reads, `errors` says what failed.

botocore signs and takes apart what AWS frames. It is slow to import, so that nothing here is
imported before a provider of this format is asked; see `inference.adapter_table`.
"""

from trunkline.inference.adapters.bedrock.adapter import BedrockAdapter
from trunkline.inference.adapters.bedrock.embeddings import BedrockEmbedder

__all__ = ["BedrockAdapter", "BedrockEmbedder"]
