package io.c2crelay.it.support;

import ch.qos.logback.classic.spi.ConfiguratorRank;
import ch.qos.logback.classic.util.DefaultJoranConfigurator;

/**
 * Reads {@code logback-test.xml} for what logs in the tests' own process. Without it the product's
 * set-up, which is on the class path too, comes first.
 */
@ConfiguratorRank(ConfiguratorRank.CUSTOM_HIGH_PRIORITY)
public final class TestLogging extends DefaultJoranConfigurator {}
