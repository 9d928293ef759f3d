#!/bin/bash
# embed.sh NAME FILE: a C header with the bytes of FILE as `static const unsigned char NAME[]`.
echo "static const unsigned char $1[] = {"
od -An -v -tx1 "$2" | sed 's/ \(..\)/0x\1,/g'
echo "};"
