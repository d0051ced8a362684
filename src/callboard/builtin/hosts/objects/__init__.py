"""Object stores: files in buckets of AWS S3, Google Cloud Storage and Azure Blob Storage.

options     what the configuration says of them
asking      questions to a bucket, and what its errors mean
stores      which bucket and which file a URL names, and who may read there
reading     the code host
discovery   providers that bring in whatever lies in a bucket
"""
