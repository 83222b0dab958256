package io.c2crelay.agent.connect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.netty.handler.proxy.HttpProxyHandler;
import io.netty.handler.proxy.Socks5ProxyHandler;
import java.net.InetSocketAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ProxyTest {
  private static final InetSocketAddress ANY = new InetSocketAddress("192.0.2.1", 3128);

  @ParameterizedTest
  @CsvSource({
    "http://proxy:3128, , , http://proxy:3128",
    "http://proxy:3128/, , , http://proxy:3128",
    "HTTP://10.0.0.1:80, , , http://10.0.0.1:80",
    "http://[2001:db8::1]:80, , , http://[2001:db8::1]:80",
    "http://user:secret@proxy:3128, user, secret, http://proxy:3128",
    "http://user:@proxy:3128, user, '', http://proxy:3128",
    "http://a%20b:c%3Ad+e%40@proxy:3128, a b, c:d+e@, http://proxy:3128",
  })
  void httpProxy(String url, String user, String password, String text) {
    Proxy proxy = Proxy.parse("--proxy", url, null);
    assertThat(proxy).hasToString(text);
    HttpProxyHandler handler = (HttpProxyHandler) proxy.newHandler(ANY);
    assertThat(handler.username()).isEqualTo(user);
    assertThat(handler.password()).isEqualTo(password);
  }

  @ParameterizedTest
  @CsvSource({
    "socks5://proxy:1080, , ",
    "socks5://user:secret@proxy:1080, user, secret",
  })
  void socksProxy(String url, String user, String password) {
    Proxy proxy = Proxy.parse("--proxy", url, null);
    assertThat(proxy).hasToString("socks5://proxy:1080");
    Socks5ProxyHandler handler = (Socks5ProxyHandler) proxy.newHandler(ANY);
    assertThat(handler.username()).isEqualTo(user);
    assertThat(handler.password()).isEqualTo(password);
  }

  @Test
  void passwordOfTheFileReplacesThatOfTheUrl() {
    Proxy proxy = Proxy.parse("--proxy", "http://user:other@proxy:3128", "secret");
    assertThat(((HttpProxyHandler) proxy.newHandler(ANY)).password()).isEqualTo("secret");
  }

  @Test
  void passwordNeedsAUser() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Proxy.parse("--proxy", "http://proxy:3128", "secret"))
        .withMessage("--proxy needs a user for the password");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "secret",
        "secret:3128",
        "http://secret",
        "http://secret:0",
        "http://secret:65536",
        "https://secret:3128",
        "socks4://secret:3128",
        "http://secret:3128/path",
        "http://secret:3128?x",
        "http://a%2:b@secret:3128",
        "http://a b@secret:3128",
        "http:secret",
      })
  void invalidUrlIsAnErrorWithoutTheUrl(String url) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Proxy.parse("--proxy", url, null))
        .withMessage("--proxy needs http://[USER:PASSWORD@]HOST:PORT or socks5://…")
        .withNoCause();
  }
}
