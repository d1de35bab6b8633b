// Reads a JSON list of Jenkinsfiles and prints, for each, the calls in it with their depth, or why it is
// not Groovy. Nothing of them is executed.
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.builder.AstBuilder
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.ExpressionStatement
import org.codehaus.groovy.ast.stmt.ReturnStatement
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.MultipleCompilationErrorsException
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

class Calls extends CodeVisitorSupport {
  int depth = 0
  List found = []
  Set statements = new HashSet()

  void visitExpressionStatement(ExpressionStatement statement) {
    statements << System.identityHashCode(statement.expression)
    super.visitExpressionStatement(statement)
  }

  void visitReturnStatement(ReturnStatement statement) {
    statements << System.identityHashCode(statement.expression)
    super.visitReturnStatement(statement)
  }

  void visitMethodCallExpression(MethodCallExpression call) {
    def arguments = call.arguments instanceof TupleExpression ? call.arguments.expressions : []
    def texts = arguments.findAll { it instanceof ConstantExpression || it instanceof GStringExpression }.collect { it.text }
    def named = [:]
    arguments.findAll { it instanceof MapExpression }.each { map ->
      map.mapEntryExpressions.each { named[it.keyExpression.text] = it.valueExpression.text }
    }
    found << [line: call.lineNumber, depth: depth, name: call.methodAsString ?: '', texts: texts, named: named,
              variables: arguments.findAll { it instanceof VariableExpression }.collect { it.name },
              statement: statements.contains(System.identityHashCode(call)),
              block: arguments.any { it instanceof ClosureExpression }]
    depth++
    super.visitMethodCallExpression(call)
    depth--
  }
}

def parsed(String text) {
  try {
    def nodes = new AstBuilder().buildFromString(CompilePhase.CONVERSION, true, text)
    def calls = new Calls()
    nodes.findAll { it.respondsTo('getStatements') }.each { it.visit(calls) }
    return [calls: calls.found]
  } catch (MultipleCompilationErrorsException broken) {
    return [errors: broken.errorCollector.errors.collect { error ->
      def cause = error.hasProperty('cause') ? error.cause : null
      [line: cause?.hasProperty('line') ? cause.line : 0,
       text: cause?.hasProperty('originalMessage') ? cause.originalMessage : broken.message]
    }]
  }
}

println JsonOutput.toJson(new JsonSlurper().parseText(System.in.getText('UTF-8')).collect { parsed(it) })
