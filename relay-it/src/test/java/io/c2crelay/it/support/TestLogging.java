package io.c2crelay.it.support;

import ch.qos.logback.classic.spi.ConfiguratorRank;
import ch.qos.logback.classic.util.DefaultJoranConfigurator;

/**
 * Configures logging of the test JVM from {@code logback-test.xml}; takes precedence over the
 * product's configurator, which is also on the class path.
 */
@ConfiguratorRank(ConfiguratorRank.CUSTOM_HIGH_PRIORITY)
public final class TestLogging extends DefaultJoranConfigurator {}
