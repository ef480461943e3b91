// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.spi;

/**
 * A key of the device configuration that a driver understands.
 *
 * @param required whether the repository cannot be used without it
 * @param description what it is, for a person
 */
public record ConfigKey(String name, boolean required, String description) {}
