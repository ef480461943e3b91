// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

/**
 * The API as data: classes, fields, methods and their types. Codecs, command line, checks and
 * documentation are derived from it, so nothing about the API is written twice.
 */
package dev.varve.hv.xenapi.schema;
