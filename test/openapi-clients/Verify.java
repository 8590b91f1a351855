import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtException;

/** Reads tokens, one a line, and writes of each whether the example of docs/verifiers.md accepts it. */
public class Verify {
  public static void main(String[] arguments) {
    JwtDecoder decoder = AccessTokens.decoder(System.getenv("ISSUER"), System.getenv("AUDIENCE"));
    new BufferedReader(new InputStreamReader(System.in)).lines().forEach(token -> {
      try {
        System.out.println("accepted " + decoder.decode(token).getSubject());
      } catch (JwtException refused) {
        System.out.println("refused");
      }
    });
  }
}
